"""What the conversion of an operation works with: values, the layers so far, and the reasons for refusals."""
