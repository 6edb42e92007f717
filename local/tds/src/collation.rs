//! Collations: for this server only what they say on the wire, and which code page a `varchar` is in.

use encoding_rs::Encoding;

/// The bit of the collation's 32-bit word that says that `varchar` is UTF-8.
const UTF8_FLAG: u32 = 1 << 26;

/// A collation as TDS writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collation {
    name: &'static str,
    /// Locale (20 bits), comparison flags (8 bits), version (4 bits).
    info: u32,
    sort_id: u8,
    code_page: &'static Encoding,
}

/// Ignore case, kana and width: what `CI_AS` says.
const CI_AS: u32 = 0b1101 << 20;
/// Version 2: the `_100_` collations.
const V100: u32 = 2 << 28;

/// The collations that this server knows, by name.
static KNOWN: &[Collation] = &[
    known(
        "SQL_Latin1_General_CP1_CI_AS",
        0x0409 | CI_AS,
        52,
        encoding_rs::WINDOWS_1252,
    ),
    known(
        "Latin1_General_CI_AS",
        0x0409 | CI_AS,
        0,
        encoding_rs::WINDOWS_1252,
    ),
    known(
        "Latin1_General_100_CI_AS",
        0x0409 | CI_AS | V100,
        0,
        encoding_rs::WINDOWS_1252,
    ),
    known(
        "Latin1_General_100_CI_AS_SC_UTF8",
        0x0409 | CI_AS | V100 | UTF8_FLAG,
        0,
        encoding_rs::UTF_8,
    ),
    known("French_CI_AS", 0x040C | CI_AS, 0, encoding_rs::WINDOWS_1252),
    known("Polish_CI_AS", 0x0415 | CI_AS, 0, encoding_rs::WINDOWS_1250),
    known(
        "Cyrillic_General_CI_AS",
        0x0419 | CI_AS,
        0,
        encoding_rs::WINDOWS_1251,
    ),
    known("Greek_CI_AS", 0x0408 | CI_AS, 0, encoding_rs::WINDOWS_1253),
    known(
        "Turkish_CI_AS",
        0x041F | CI_AS,
        0,
        encoding_rs::WINDOWS_1254,
    ),
    known("Hebrew_CI_AS", 0x040D | CI_AS, 0, encoding_rs::WINDOWS_1255),
    known("Arabic_CI_AS", 0x0401 | CI_AS, 0, encoding_rs::WINDOWS_1256),
    known("Thai_CI_AS", 0x041E | CI_AS, 0, encoding_rs::WINDOWS_874),
    known("Japanese_CI_AS", 0x0411 | CI_AS, 0, encoding_rs::SHIFT_JIS),
    known("Chinese_PRC_CI_AS", 0x0804 | CI_AS, 0, encoding_rs::GBK),
    known(
        "Chinese_Taiwan_Stroke_CI_AS",
        0x0404 | CI_AS,
        0,
        encoding_rs::BIG5,
    ),
    known(
        "Korean_Wansung_CI_AS",
        0x0412 | CI_AS,
        0,
        encoding_rs::EUC_KR,
    ),
];

const fn known(
    name: &'static str,
    info: u32,
    sort_id: u8,
    code_page: &'static Encoding,
) -> Collation {
    Collation {
        name,
        info,
        sort_id,
        code_page,
    }
}

impl Default for Collation {
    /// `SQL_Latin1_General_CP1_CI_AS`, the server's own.
    fn default() -> Self {
        KNOWN[0]
    }
}

impl Collation {
    /// The collation of this name, in any case; `None` when this server does not know it.
    pub fn named(name: &str) -> Option<Self> {
        KNOWN
            .iter()
            .find(|known| known.name.eq_ignore_ascii_case(name))
            .copied()
    }

    /// SQL Server's name of it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether `varchar` holds UTF-8.
    pub fn is_utf8(&self) -> bool {
        self.info & UTF8_FLAG != 0
    }

    /// The five bytes of TDS.
    pub(crate) fn to_wire(self) -> [u8; 5] {
        let [a, b, c, d] = self.info.to_le_bytes();
        [a, b, c, d, self.sort_id]
    }

    /// The code page that five bytes of TDS stand for; the server's own when unknown.
    pub(crate) fn code_page_of(wire: [u8; 5]) -> &'static Encoding {
        let [a, b, c, d, sort_id] = wire;
        let info = u32::from_le_bytes([a, b, c, d]);
        if info & UTF8_FLAG != 0 {
            return encoding_rs::UTF_8;
        }
        KNOWN
            .iter()
            .find(|known| {
                if sort_id == 0 {
                    known.info & 0xFFFF == info & 0xFFFF
                } else {
                    known.sort_id == sort_id
                }
            })
            .map_or(encoding_rs::WINDOWS_1252, |known| known.code_page)
    }

    /// The locale word, for `tds_collation_id`.
    pub(crate) fn info(self) -> u32 {
        self.info
    }

    /// The sort order, for `tds_collation_sort_id`.
    pub(crate) fn sort_id(self) -> u8 {
        self.sort_id
    }

    /// The text in this collation's code page. A character that the code page lacks becomes `?`, as it does when SQL
    /// Server stores it.
    pub(crate) fn encode(self, text: &str) -> std::borrow::Cow<'_, [u8]> {
        if self.code_page == encoding_rs::UTF_8 || text.is_ascii() {
            return text.as_bytes().into();
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut one = [0; 4];
        for character in text.chars() {
            let (encoded, _, lossy) = self.code_page.encode(character.encode_utf8(&mut one));
            if lossy {
                bytes.push(b'?');
            } else {
                bytes.extend_from_slice(&encoded);
            }
        }
        bytes.into()
    }
}
