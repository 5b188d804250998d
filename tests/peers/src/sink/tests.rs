use super::*;

fn message(parts: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (field, bytes) in parts {
        out.extend([field << 3 | 2, u8::try_from(bytes.len()).unwrap()]);
        out.extend_from_slice(bytes);
    }
    out
}

#[test]
fn what_is_written_is_told_without_the_targets_own() {
    let label = |name: &str, value: &str| message(&[(1, name.as_bytes()), (2, value.as_bytes())]);
    let mut sample = vec![1 << 3 | 1];
    sample.extend(2.5_f64.to_le_bytes());
    sample.extend([2 << 3, 0x96, 0x01]);
    let series = |name: &str| {
        let labels = [
            label("__name__", name),
            label("job", "kong"),
            label("le", "1"),
        ];
        message(&[
            (1, &labels[0]),
            (1, &labels[1]),
            (1, &labels[2]),
            (2, &sample),
        ])
    };
    let written = message(&[(1, &series("a_bucket")), (1, &series("up"))]);
    let body = snap::raw::Encoder::new().compress_vec(&written).unwrap();

    let sink = Sink::start().unwrap();
    sink.keep();
    let mut tcp = TcpStream::connect(sink.address).unwrap();
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    tcp.write_all(head.as_bytes()).unwrap();
    tcp.write_all(&body).unwrap();
    let mut answer = [0; 12];
    tcp.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 204");

    let kept = sink.kept().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].name, b"a_bucket");
    assert_eq!(kept[0].value, b"2.5");
    assert_eq!(kept[0].labels, [(b"le".to_vec(), b"1".to_vec())]);
}

#[test]
fn a_broken_body_is_an_error() {
    assert!(fields(&[0x0a, 0x05, 1]).any(|field| field.is_err()));
    assert!(fields(&[0x07]).any(|field| field.is_err()));
}
