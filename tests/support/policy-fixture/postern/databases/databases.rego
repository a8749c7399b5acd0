package postern.databases

# METADATA
# entrypoint: true
shown := input.database.labels.env == "dev"
