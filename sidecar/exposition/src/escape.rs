//! Escaping of label values, as the text format and OpenMetrics define it.

/// Appends `value` to `out` as it stands between the quotes of a label: `\` as `\\`, `"` as `\"`, a line feed as `\n`.
pub(crate) fn escape_into(out: &mut Vec<u8>, value: &str) {
    for &byte in value.as_bytes() {
        match byte {
            b'\\' => out.extend_from_slice(br"\\"),
            b'"' => out.extend_from_slice(br#"\""#),
            b'\n' => out.extend_from_slice(br"\n"),
            _ => out.push(byte),
        }
    }
}

/// Appends `name="value"`, escaped.
pub(crate) fn label_into(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    escape_into(out, value);
    out.push(b'"');
}
