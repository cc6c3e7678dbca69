// Package bench measures the product against the physical limits of the machine
// that it runs on: a raw log with one fdatasync a batch, and RSA decryptions. Only
// ratios of windows that took turns in one run mean anything; absolute rates are
// those of one disk on one day. It holds nothing but its test; make bench runs it
// and writes the table of README.md.
package bench
