"""The routes of the plugin's JSON API, one module for each noun. `plugin.app` puts them together."""
