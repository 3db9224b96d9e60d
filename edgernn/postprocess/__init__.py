"""What is made of a stream's answers: keywords, anomalies, text."""
