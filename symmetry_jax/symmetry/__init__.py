"""Which units are interchangeable: pure functions on parameter trees."""
