package postern.visible

# METADATA
# entrypoint: true
shown := input.request.accesses[0].table == "orders"
