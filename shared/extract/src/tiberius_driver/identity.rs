//! Who answers, as whom we are logged in, and with which rights: asked in plain T-SQL of SQL Server 2019.

use soxauto_domain::receipt::{SourceIdentity, TlsRecord};

use crate::{error::ExtractError, one_row::NamedValue};

/// One row. The rights are 1, 0, or NULL where the server does not know the role.
pub(super) const QUERY: &str = "\
SELECT CAST(@@SERVERNAME AS nvarchar(128)) AS [server], DB_NAME() AS [database], ORIGINAL_LOGIN() AS [login],
  CAST(@@VERSION AS nvarchar(400)) AS [version], SYSUTCDATETIME() AS [server_time],
  (SELECT CAST(s.transaction_isolation_level AS int) FROM sys.dm_exec_sessions AS s WHERE s.session_id = @@SPID) AS [isolation],
  HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'INSERT') AS [can_insert],
  HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'UPDATE') AS [can_update],
  HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'DELETE') AS [can_delete],
  HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'ALTER') AS [can_alter],
  IS_ROLEMEMBER('db_datawriter') AS [is_datawriter], IS_ROLEMEMBER('db_owner') AS [is_owner],
  IS_ROLEMEMBER('db_ddladmin') AS [is_ddladmin], IS_ROLEMEMBER('db_securityadmin') AS [is_db_securityadmin],
  IS_ROLEMEMBER('db_accessadmin') AS [is_accessadmin], IS_SRVROLEMEMBER('sysadmin') AS [is_sysadmin],
  IS_SRVROLEMEMBER('securityadmin') AS [is_securityadmin], IS_SRVROLEMEMBER('dbcreator') AS [is_dbcreator]";

/// Permissions and fixed roles with which a login changes data, or gives itself the right to.
const RIGHTS: [(&str, &str); 12] = [
    ("can_insert", "INSERT"),
    ("can_update", "UPDATE"),
    ("can_delete", "DELETE"),
    ("can_alter", "ALTER"),
    ("is_datawriter", "db_datawriter"),
    ("is_owner", "db_owner"),
    ("is_ddladmin", "db_ddladmin"),
    ("is_db_securityadmin", "db_securityadmin"),
    ("is_accessadmin", "db_accessadmin"),
    ("is_sysadmin", "sysadmin"),
    ("is_securityadmin", "securityadmin"),
    ("is_dbcreator", "dbcreator"),
];

/// Reads the row.
pub(super) fn read(row: &[NamedValue], tls: TlsRecord) -> Result<SourceIdentity, ExtractError> {
    let find = |name: &str| -> Result<Option<&str>, ExtractError> {
        row.iter()
            .find(|v| v.name == name)
            .map(|v| v.value.as_deref())
            .ok_or_else(|| wrong(format!("there is no column {name}")))
    };
    let text = |name: &str| -> Result<String, ExtractError> {
        find(name)?
            .map(str::to_owned)
            .ok_or_else(|| wrong(format!("{name} is NULL")))
    };
    let mut write_rights = Vec::new();
    for (column, right) in RIGHTS {
        match find(column)? {
            Some("0") => {}
            // NULL: the server knows no such role, so nobody is in it. A permission that it cannot tell is not a "no".
            None if column.starts_with("is_") => {}
            None => {
                return Err(wrong(format!(
                    "the server cannot tell whether the login has {right} in the database"
                )));
            }
            Some("1") => write_rights.push(right.to_owned()),
            Some(other) => return Err(wrong(format!("{column} is {other:?}"))),
        }
    }
    let isolation = match find("isolation")? {
        Some("1") => "READ UNCOMMITTED",
        Some("2") => "READ COMMITTED",
        Some("3") => "REPEATABLE READ",
        Some("4") => "SERIALIZABLE",
        Some("5") => "SNAPSHOT",
        _ => "unspecified",
    };
    Ok(SourceIdentity {
        // NULL on a server that was renamed and not restarted.
        server: find("server")?.unwrap_or_default().to_owned(),
        database: text("database")?,
        login: text("login")?,
        version: text("version")?
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned(),
        server_time: format!("{}Z", text("server_time")?),
        isolation: isolation.to_owned(),
        can_write: !write_rights.is_empty(),
        write_rights,
        tls,
    })
}

fn wrong(reason: String) -> ExtractError {
    ExtractError::ControlQuery {
        query: "identity",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(changes: &[(&str, Option<&str>)]) -> Vec<NamedValue> {
        let mut values: Vec<NamedValue> = [
            ("server", Some("NAV01")),
            ("database", Some("AIG_Nav_DW")),
            ("login", Some("reader")),
            (
                "version",
                Some("Microsoft SQL Server 2019 (RTM)\n\tCopyright"),
            ),
            ("server_time", Some("2024-05-01T07:00:00.1234567")),
            ("isolation", Some("2")),
        ]
        .into_iter()
        .chain(RIGHTS.iter().map(|(column, _)| (*column, Some("0"))))
        .map(|(name, value)| NamedValue {
            name: name.into(),
            value: value.map(Into::into),
        })
        .collect();
        for (name, value) in changes {
            values
                .iter_mut()
                .filter(|v| v.name == *name)
                .for_each(|v| v.value = value.map(Into::into));
        }
        values
    }

    #[test]
    fn a_reader_and_its_writing_sibling() {
        let reader = read(&row(&[("is_sysadmin", None)]), TlsRecord::Verified).unwrap();
        assert!(!reader.can_write && reader.write_rights.is_empty());
        assert_eq!(reader.version, "Microsoft SQL Server 2019 (RTM)");
        assert_eq!(reader.server_time, "2024-05-01T07:00:00.1234567Z");
        assert_eq!(reader.isolation, "READ COMMITTED");
        let writer = read(
            &row(&[("can_update", Some("1")), ("is_securityadmin", Some("1"))]),
            TlsRecord::Off,
        )
        .unwrap();
        assert!(writer.can_write);
        assert_eq!(writer.write_rights, ["UPDATE", "securityadmin"]);
    }

    #[test]
    fn an_answer_that_is_not_understood_is_no_reader() {
        assert!(read(&row(&[("can_insert", Some("maybe"))]), TlsRecord::Verified).is_err());
        assert!(read(&row(&[])[..8], TlsRecord::Verified).is_err());
        // NULL: the permission could not be asked for, as with a database name that holds a point.
        for right in ["can_insert", "can_update", "can_delete", "can_alter"] {
            assert!(
                read(&row(&[(right, None)]), TlsRecord::Verified).is_err(),
                "{right}"
            );
        }
    }
}
