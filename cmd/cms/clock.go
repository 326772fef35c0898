//go:build !chaos

package main

import "time"

// clock dates commits.
var clock = time.Now
