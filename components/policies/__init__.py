"""Who may do what: every policy of the program as a pure function from names and ARNs to a dict."""
