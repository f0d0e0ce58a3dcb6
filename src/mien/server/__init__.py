"""`mien serve`: recognition over HTTP and a WebSocket, and a page that uses it. No torch; nothing is kept."""
