module wheelwarden.dev/bench/hook

go 1.21
