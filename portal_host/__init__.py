"""The page on this computer: Node, the built files, a server on 127.0.0.1, the session that it hands over."""
