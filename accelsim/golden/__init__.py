"""Golden vectors: the integers of every multiplying layer as files that RTL can be checked against."""
