//! JSON in lines.

/// Appends compact JSON in lines, each level with so much more before it. Empty objects and lists
/// stay on their line.
pub(super) fn indent(compact: &[u8], indent: &str, out: &mut Vec<u8>) {
    out.reserve(2 * compact.len());
    let mut depth = 0;
    let mut bytes = compact.iter().copied().peekable();
    let line = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        for _ in 0..depth {
            out.extend_from_slice(indent.as_bytes());
        }
    };
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                if let Some(end) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(depth, out);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                line(depth, out);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(depth, out);
            }
            b':' => out.extend_from_slice(b": "),
            b'"' => copy_string(&mut bytes, out),
            _ => out.push(byte),
        }
    }
}

/// Copies a string behind its opening quote.
fn copy_string(bytes: &mut impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    out.push(b'"');
    while let Some(byte) = bytes.next() {
        out.push(byte);
        match byte {
            b'"' => return,
            b'\\' => out.extend(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_go() {
        let compact = br#"{"a":{},"b":[],"c":[1,"x,]\"y"],"d":{"e":null}}"#;
        let mut out = Vec::new();
        indent(compact, "  ", &mut out);
        let expected = "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1,\n    \"x,]\\\"y\"\n  ],\n  \"d\": {\n    \"e\": null\n  }\n}";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
