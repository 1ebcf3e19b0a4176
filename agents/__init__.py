"""The moving parts: settings, Faust app, agents, replay and command line."""
