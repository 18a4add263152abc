"""Getting models: what the hub offers, and a downloader that goes on where it stopped. Asked for, never by itself."""
