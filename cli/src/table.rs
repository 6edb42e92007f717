//! Plain tables for a terminal: columns as wide as needed, the widest wrapped so that a row fits.

use std::io::{self, Write};

/// Narrowest a wrapped column gets.
const NARROWEST: usize = 16;

/// Columns of the terminal, as the shell says; 110 when it does not.
pub(crate) fn width() -> usize {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok())
        .filter(|columns| *columns >= 40)
        .unwrap_or(110)
}

/// Prints a heading and rows, two spaces apart.
pub(crate) fn print<const N: usize>(
    heading: [&str; N],
    rows: &[[String; N]],
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([heading[column].len()])
            .max()
            .unwrap_or(0)
    });
    // The widest column gives way first.
    while widths.iter().sum::<usize>() + 2 * (N - 1) > width {
        let Some(widest) = widths
            .iter_mut()
            .max()
            .filter(|widest| **widest > NARROWEST)
        else {
            break;
        };
        *widest -= 1;
    }
    line(&heading.map(str::to_owned), &widths, out)?;
    for row in rows {
        line(row, &widths, out)?;
    }
    Ok(())
}

fn line<const N: usize>(
    cells: &[String; N],
    widths: &[usize; N],
    out: &mut dyn Write,
) -> io::Result<()> {
    let wrapped: [Vec<String>; N] =
        std::array::from_fn(|column| wrap(&cells[column], widths[column]));
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..height {
        let mut text = String::new();
        for (cell, width) in wrapped.iter().zip(widths) {
            let part = cell.get(at).map_or("", String::as_str);
            text.push_str(part);
            text.extend(std::iter::repeat_n(
                ' ',
                width.saturating_sub(part.chars().count()) + 2,
            ));
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

/// Breaks at spaces; a longer word is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let last = lines.last_mut();
            let Some(last) = last else { break };
            let taken = last.chars().count();
            let gap = usize::from(taken > 0);
            if taken + gap + word.len() <= width {
                last.extend(std::iter::repeat_n(' ', gap).chain(word.drain(..)));
                break;
            }
            if taken == 0 {
                last.extend(word.drain(..width.max(1)));
            }
            lines.push(String::new());
        }
    }
    lines
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_fit_the_width_and_lose_nothing() {
        let rows = [[
            "IPE_07.sql:12".to_owned(),
            "the cutoff is compared with <=".to_owned(),
            "averyveryverylongwordindeedwithoutaspace end".to_owned(),
        ]];
        let mut out = Vec::new();
        print(["PLACE", "PROBLEM", "WHAT"], &rows, 52, &mut out).expect("memory takes it");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(
            text.lines().all(|line| line.chars().count() <= 52),
            "{text}"
        );
        let letters = |text: &str| {
            let mut l: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
            l.sort_unstable();
            l
        };
        assert_eq!(
            letters(&text),
            letters(&format!("PLACEPROBLEMWHAT{}", rows[0].concat()))
        );
    }
}
