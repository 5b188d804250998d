module tagalong.dev/tests/peers/harness

go 1.26.0
