"""A burst of decisions while everything is killed: is any lost, doubled or unexplained?"""
