"""Networks of torch that compute what is exported."""
