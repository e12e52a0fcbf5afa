//! One SQL statement with its values apart: executed with parameters, shown with literals.

use std::fmt;

use sqlx::PgConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use crate::model::AssetId;

/// A value of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Id(AssetId),
    Text(String),
    Bytes(Vec<u8>),
    Flag(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "'{id}'"),
            // A backslash means nothing in a plain literal; the server's default since 9.1.
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Bytes(bytes) => {
                f.write_str("'\\x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("'")
            }
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// A statement whose text names its values `$1`, `$2`, ... with a cast behind each where a literal needs one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub text: String,
    pub values: Vec<Value>,
}

impl Statement {
    /// Sends it and tells how many rows it changed.
    pub async fn execute(&self, connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
        let query = sqlx::query(sqlx::AssertSqlSafe(self.text.clone()));
        let query = self.values.iter().fold(query, bind);
        Ok(query.execute(connection).await?.rows_affected())
    }
}

fn bind<'q>(
    query: Query<'q, sqlx::Postgres, PgArguments>,
    value: &Value,
) -> Query<'q, sqlx::Postgres, PgArguments> {
    match value {
        Value::Id(id) => query.bind(id.to_string()),
        Value::Text(text) => query.bind(text.clone()),
        Value::Bytes(bytes) => query.bind(bytes.clone()),
        Value::Flag(flag) => query.bind(*flag),
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.text.as_str();
        while let Some((before, behind)) = rest.split_once('$') {
            f.write_str(before)?;
            let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
            let (number, behind) = behind.split_at(digits);
            let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            match place.and_then(|place| self.values.get(place)) {
                Some(value) => write!(f, "{value}")?,
                None => write!(f, "${number}")?,
            }
            rest = behind;
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_place_and_never_read_as_text_of_the_statement() {
        let statement = Statement {
            text: "UPDATE t SET a = $2, b = $3::bytea, c = $4 WHERE id = $1::uuid AND d = $12".to_owned(),
            values: vec![
                Value::Id(AssetId([0xab; 16])),
                Value::Text("it's $1".to_owned()),
                Value::Bytes(vec![0, 255]),
                Value::Flag(true),
            ],
        };
        assert_eq!(
            statement.to_string(),
            "UPDATE t SET a = 'it''s $1', b = '\\x00ff'::bytea, c = true \
             WHERE id = 'abababab-abab-abab-abab-abababababab'::uuid AND d = $12"
        );
    }
}
