//! A SQL Server with a hundred entries, over real sockets, which misbehaves where a cell says so.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use soxauto_domain::PlannedIpe;
use soxauto_tds::{
    Cell, Column, Fault, Refusal, Request, Rows, Script, ScriptedBackend, Server, ServerConfig,
    SqlError, Step,
};

use crate::ports::statement;

const LOGIN: &str = "reader";
const PASSWORD: &str = "Another-0nly";
/// Longer than any test waits.
const FOREVER: Duration = Duration::from_secs(3_600);
/// As a number of times: whenever it comes.
pub(crate) const ALWAYS: u32 = u32::MAX;

/// What goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Misdeed {
    /// The statement, or the login, ends with this error.
    Error(SqlError),
    /// The connection ends before the answer.
    Cut,
    /// The connection ends in the middle of a row.
    CutMidRow,
    /// The rows begin, and nothing more comes.
    Stalled,
    /// Nothing comes at all.
    Silent,
    /// Somebody posts an entry just before.
    Posted,
    /// Somebody takes an entry back just before.
    TakenBack,
    /// The column has become a text.
    Drifted,
}

#[derive(Debug)]
struct Trouble {
    statement: &'static str,
    /// So many times it goes well first.
    spare: u32,
    /// So many times it goes wrong then.
    times: u32,
    misdeed: Misdeed,
}

#[derive(Debug)]
struct State {
    entries: BTreeSet<i64>,
    troubles: Vec<Trouble>,
    /// The key range of which nothing comes, once.
    slow: Option<i64>,
}

impl State {
    fn meet(&mut self, statement: &str) -> Option<Misdeed> {
        let mut here = self
            .troubles
            .iter_mut()
            .filter(|t| t.statement == statement && t.times > 0);
        let trouble = here.next()?;
        if trouble.spare > 0 {
            trouble.spare -= 1;
            return None;
        }
        if trouble.times < ALWAYS {
            trouble.times -= 1;
        }
        Some(trouble.misdeed.clone())
    }
}

/// The running server.
pub(crate) struct Source {
    server: Server,
    state: Arc<Mutex<State>>,
}

fn config() -> ServerConfig {
    // One certificate for all: making them is what takes longest.
    static CONFIG: OnceLock<ServerConfig> = OnceLock::new();
    CONFIG
        .get_or_init(|| ServerConfig::local(LOGIN, PASSWORD).unwrap())
        .clone()
}

impl Source {
    pub(crate) async fn start(ipe: PlannedIpe, entries: BTreeSet<i64>) -> Self {
        let state = Arc::new(Mutex::new(State {
            entries,
            troubles: Vec::new(),
            slow: None,
        }));
        let (asked, logged_in) = (Arc::clone(&state), Arc::clone(&state));
        let backend = ScriptedBackend::new()
            .on_login(move |_, _| login(&mut logged_in.lock().unwrap()))
            .on_request(move |request| Some(answer(&ipe, &mut asked.lock().unwrap(), request)));
        let server = Server::start(config(), Arc::new(backend)).await.unwrap();
        Self { server, state }
    }

    /// Something goes wrong: at the `nth` of these statements from now, and as often after it as `times` says.
    pub(crate) fn trouble(&self, statement: &'static str, nth: u32, times: u32, misdeed: Misdeed) {
        self.state.lock().unwrap().troubles.push(Trouble {
            statement,
            spare: nth - 1,
            times,
            misdeed,
        });
    }

    /// Nothing comes, once, of the key range that begins after `after`.
    pub(crate) fn slow_after(&self, after: i64) {
        self.state.lock().unwrap().slow = Some(after);
    }

    /// Whether that is still to come.
    pub(crate) fn is_slow(&self) -> bool {
        self.state.lock().unwrap().slow.is_some()
    }

    /// Whether everything that was to go wrong has.
    pub(crate) fn has_misbehaved(&self) -> bool {
        let state = self.state.lock().unwrap();
        let mut left = state.troubles.iter();
        left.all(|t| t.times == 0 || (t.times == ALWAYS && t.spare == 0))
    }

    /// The entries that there are now.
    pub(crate) fn entries(&self) -> BTreeSet<i64> {
        self.state.lock().unwrap().entries.clone()
    }

    /// The secret that leads here, as it was before the last rotation or as it is.
    pub(crate) fn secret(&self, is_stale: bool) -> String {
        let password = if is_stale {
            "before-the-rotation"
        } else {
            PASSWORD
        };
        self.secret_of(self.server.addr().port(), password)
    }

    /// A secret that leads to nobody.
    pub(crate) fn nowhere(&self) -> String {
        self.secret_of(1, PASSWORD)
    }

    fn secret_of(&self, port: u16, password: &str) -> String {
        // Certificates are tried elsewhere: reading the system's for each connection is most of the work in a debug build.
        format!(
            "Server=127.0.0.1,{port};Database=d;User Id={LOGIN};Password={password};Encrypt=true;TrustServerCertificate=true"
        )
    }
}

fn login(state: &mut State) -> Option<Refusal> {
    match state.meet("source: login")? {
        Misdeed::Error(error) => Some(Refusal::Error(error)),
        other => panic!("{other:?} is nothing that a login does"),
    }
}

fn answer(ipe: &PlannedIpe, state: &mut State, request: &Request) -> Script {
    // A description has parameters and no values.
    let is_description =
        !request.params.is_empty() && request.params.iter().all(|p| p.value.is_none());
    let statement = if request.sql.contains("ORIGINAL_LOGIN()") {
        "source: identity"
    } else if is_description {
        "source: describe"
    } else {
        statement(ipe, &request.sql)
    };
    let misdeed = state.meet(statement);
    let lowest = state.entries.first().copied().unwrap_or_default();
    let highest = state.entries.last().copied().unwrap_or_default();
    match misdeed {
        Some(Misdeed::Posted) => state.entries.insert(highest + 1),
        // The lowest is in the first range, which has been read.
        Some(Misdeed::TakenBack) => state.entries.remove(&lowest),
        _ => false,
    };
    let number = |name: &str| -> Option<i64> {
        let parameter = request.params.iter().find(|p| p.name == name)?;
        parameter.value.as_ref()?.parse().ok()
    };
    if statement == "source: rows" && state.slow.is_some() && state.slow == number("@after") {
        state.slow = None;
        return Script::new().then(Step::Wait(FOREVER));
    }
    let (after, upto) = (
        number("@after").unwrap_or(0),
        number("@upto").unwrap_or(i64::MAX),
    );
    let entries = state.entries.iter().copied();
    let rows = match statement {
        "source: identity" => return identity(misdeed),
        "source: describe" if matches!(misdeed, Some(Misdeed::Drifted)) => {
            Rows::cells(vec![column("id", "nvarchar(20)")], vec![])
        }
        "source: describe" => ints("id", []),
        "source: rows" => ints("id", entries.filter(|id| after < *id && *id <= upto)),
        "source: negative" => ints(
            "id",
            entries.filter(|id| *id != 7 && after < *id && *id <= upto),
        ),
        "source: count" => {
            let mark = number("@mark").unwrap_or(i64::MAX);
            let count = entries.filter(|id| *id <= mark).count();
            ints("row_count", [i64::try_from(count).unwrap()])
        }
        "source: witness" => ints("id", [7]),
        "source: bounds" => {
            let columns = vec![column("lowest", "int"), column("highest", "int")];
            Rows::cells(columns, vec![vec![Cell::Int(lowest), Cell::Int(highest)]])
        }
        other => panic!("{other}"),
    };
    misbehave(misdeed, rows)
}

fn misbehave(misdeed: Option<Misdeed>, rows: Rows) -> Script {
    match misdeed {
        Some(Misdeed::Error(error)) => Script::error(error),
        Some(Misdeed::Cut) => Script::new().then(Step::Cut),
        Some(Misdeed::CutMidRow) => Script::rows(rows.with_fault(5, Fault::CutMidRow)),
        Some(Misdeed::Stalled) => Script::rows(rows.with_fault(5, Fault::Stall(FOREVER))),
        Some(Misdeed::Silent) => Script::new().then(Step::Wait(FOREVER)),
        None | Some(Misdeed::Posted | Misdeed::TakenBack | Misdeed::Drifted) => Script::rows(rows),
    }
}

fn identity(misdeed: Option<Misdeed>) -> Script {
    match misdeed {
        None => Script::identity(false).unwrap(),
        misdeed => misbehave(misdeed, ints("server", [])),
    }
}

fn column(name: &str, sql_type: &str) -> Column {
    Column::new(name, sql_type).unwrap().not_null()
}

fn ints(name: &str, values: impl IntoIterator<Item = i64>) -> Rows {
    let rows = values.into_iter().map(|n| vec![Cell::Int(n)]).collect();
    Rows::cells(vec![column(name, "int")], rows)
}
