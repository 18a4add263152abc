"""The window: widgets that show the state and send wishes. Knows studio.state and studio.core, nothing that makes pictures."""
