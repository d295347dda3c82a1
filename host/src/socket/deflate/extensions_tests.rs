use super::*;

fn headers(values: &[&str]) -> HeaderMap {
    values
        .iter()
        .map(|value| (SEC_WEBSOCKET_EXTENSIONS, value.parse().unwrap()))
        .collect()
}

/// A list written plainly: `name;param;param=value name`.
#[track_caller]
fn check(values: &[&str], expected: &str) {
    let headers = headers(values);
    let parsed = parse(&headers).unwrap();
    let written: Vec<_> = parsed
        .iter()
        .map(|extension| {
            let mut text = extension.name.to_owned();
            for param in &extension.params {
                text += &format!(";{}", param.name);
                if let Some(value) = &param.value {
                    text += &format!("={value}");
                }
            }
            text
        })
        .collect();
    assert_eq!(written.join(" "), expected, "{values:?}");
}

#[test]
fn a_list_is_read_in_order_over_all_headers() {
    check(&[], "");
    check(&[""], "");
    check(&["foo"], "foo");
    check(&["foo, bar", "baz"], "foo bar baz");
    check(&["foo; a; b=1, bar;c"], "foo;a;b=1 bar;c");
    check(&["foo;a=1;a=2"], "foo;a=1;a=2");
}

#[test]
fn space_and_empty_elements_do_not_matter() {
    check(&[" foo\t; a = 1 ,\tbar "], "foo;a=1 bar");
    check(&[",, foo ,, bar ,"], "foo bar");
}

#[test]
fn a_quoted_value_is_its_content() {
    check(&[r#"foo; a="10"; b"#], "foo;a=10;b");
    check(&[r#"foo; a="1\0""#], "foo;a=10");
}

#[test]
fn what_the_grammar_does_not_know_is_malformed() {
    for value in [
        ";",
        "foo;",
        "foo;;a",
        "foo;a=",
        "foo;=1",
        "foo bar",
        "foo;a b",
        "foo=1",
        "foo;a=1 2",
        r#"foo;a="1"#,
        r#"foo;a=""#,
        r#"foo;a="""#,
        r#"foo;a="\"#,
        r#"foo;a="1,2""#,
        r#"foo;a="1"2"#,
        r#""foo""#,
        "f\u{f6}o",
        "foo@bar",
    ] {
        let mut map = headers(&["good"]);
        map.append(
            SEC_WEBSOCKET_EXTENSIONS,
            http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
        assert_eq!(parse(&map), Err(Malformed), "{value}");
    }
}

proptest::proptest! {
    #[test]
    fn no_header_makes_it_panic(value in r#"[ -~\t]{0,60}|[a;,=" \\]{0,40}"#) {
        drop(parse(&headers(&[&value])));
    }
}
