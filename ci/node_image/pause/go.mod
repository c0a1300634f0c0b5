module inventory-harness.invalid/pause

go 1.24.0
