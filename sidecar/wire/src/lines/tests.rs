use super::*;

fn cut(chunks: &[&[u8]], limit: usize) -> (Vec<Vec<u8>>, Result<(), TooLong>) {
    let mut lines = Lines::new(limit);
    let mut seen = Vec::new();
    for chunk in chunks {
        if let Err(error) = lines.push(chunk, |line| seen.push(line.to_vec())) {
            return (seen, Err(error));
        }
    }
    (seen, Ok(()))
}

#[test]
fn every_way_to_cut_gives_the_same_lines() {
    let text = b"{\"type\":\"HEARTBEAT\"}\n\r\n\n{}\n  {\"x\":\"\xc3\xa4\"}\n";
    let (whole, ok) = cut(&[text], 100);
    ok.expect("within the limit");
    assert_eq!(whole.len(), 3);
    for first in 0..text.len() {
        for second in first..text.len() {
            let chunks = [&text[..first], &text[first..second], &text[second..]];
            let (lines, ok) = cut(&chunks, 100);
            ok.expect("within the limit");
            assert_eq!(lines, whole, "cut at {first} and {second}");
        }
    }
}

#[test]
fn the_limit_holds_for_a_line_however_it_arrives() {
    let (lines, error) = cut(&[b"1234\n12345\n"], 4);
    assert_eq!((lines.len(), error), (1, Err(TooLong { limit: 4 })));
    let (lines, error) = cut(&[b"12", b"34", b"5"], 4);
    assert_eq!((lines.len(), error), (0, Err(TooLong { limit: 4 })));
    let (lines, ok) = cut(&[b"12", b"34", b"\n", b"1234\n"], 4);
    assert_eq!((lines.len(), ok), (2, Ok(())));
}

#[test]
fn a_line_without_its_newline_is_not_handed_over() {
    let mut lines = Lines::new(10);
    lines
        .push(b"{}\n{}", |line| assert_eq!(line, b"{}"))
        .expect("short");
    assert_eq!(lines.carry.len(), 2);
}
