package harness

import (
	"io"
	"math"
	"strconv"
	"strings"
)

const flushAt = 64 * 1024

// Text prints an exposition through one buffer that is used again and again.
type Text struct {
	out   io.Writer
	buf   []byte
	first bool
}

// Reset starts an exposition on out.
func (t *Text) Reset(out io.Writer) {
	t.out = out
	t.buf = t.buf[:0]
}

// Raw prints a line that is ready.
func (t *Text) Raw(parts ...string) {
	for _, part := range parts {
		t.buf = append(t.buf, part...)
	}
}

// Name begins a sample.
func (t *Text) Name(name string) {
	t.buf = append(t.buf, name...)
	t.first = true
}

// Label adds a label to the sample.
func (t *Text) Label(name, value string) {
	if t.first {
		t.buf = append(t.buf, '{')
		t.first = false
	} else {
		t.buf = append(t.buf, ',')
	}
	t.buf = append(t.buf, name...)
	t.buf = append(t.buf, '=', '"')
	t.buf = appendEscaped(t.buf, value)
	t.buf = append(t.buf, '"')
}

// Value ends the sample. Timestamps are Kong's: none.
func (t *Text) Value(value float64) error {
	if !t.first {
		t.buf = append(t.buf, '}')
	}
	t.buf = append(t.buf, ' ')
	if whole := int64(value); float64(whole) == value && math.Abs(value) < 1e15 {
		t.buf = strconv.AppendInt(t.buf, whole, 10)
	} else {
		t.buf = strconv.AppendFloat(t.buf, value, 'g', -1, 64)
	}
	t.buf = append(t.buf, '\n')
	if len(t.buf) < flushAt {
		return nil
	}
	return t.Flush()
}

// Flush hands on what is buffered.
func (t *Text) Flush() error {
	_, err := t.out.Write(t.buf)
	t.buf = t.buf[:0]
	return err
}

func appendEscaped(buf []byte, value string) []byte {
	if strings.IndexByte(value, '\\') < 0 && strings.IndexByte(value, '"') < 0 && strings.IndexByte(value, '\n') < 0 {
		return append(buf, value...)
	}
	for i := range len(value) {
		switch c := value[i]; c {
		case '\\':
			buf = append(buf, '\\', '\\')
		case '"':
			buf = append(buf, '\\', '"')
		case '\n':
			buf = append(buf, '\\', 'n')
		default:
			buf = append(buf, c)
		}
	}
	return buf
}
