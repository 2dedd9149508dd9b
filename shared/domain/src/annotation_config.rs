//! Annotation configs: how the user interface asks for annotations of a name. Annotations are never checked against them.

use serde::{Deserialize, Serialize};

use crate::annotation::{MAX_KEY_BYTES, NOTE_NAME};

/// Type names in the GlobalIds of configs, one a kind. Row ids are shared, so look-ups take any of them.
pub const TYPE_NAMES: [&str; 3] =
    ["CategoricalAnnotationConfig", "ContinuousAnnotationConfig", "FreeformAnnotationConfig"];

/// Which scores are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OptimizationDirection {
    Minimize,
    Maximize,
    None,
}

/// One label of a categorical config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoricalValue {
    pub label: String,
    pub score: Option<f64>,
}

/// What annotators are asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
pub enum ConfigKind {
    Categorical {
        optimization_direction: OptimizationDirection,
        values: Vec<CategoricalValue>,
    },
    Continuous {
        optimization_direction: OptimizationDirection,
        lower_bound: Option<f64>,
        upper_bound: Option<f64>,
    },
    Freeform {
        optimization_direction: Option<OptimizationDirection>,
        threshold: Option<f64>,
        lower_bound: Option<f64>,
        upper_bound: Option<f64>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct AnnotationConfig {
    pub name: String,
    pub description: Option<String>,
    pub kind: ConfigKind,
}

/// Why a config makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Answered as a conflict: the name is taken, by notes.
    #[error("The name {NOTE_NAME:?} is reserved for notes.")]
    ReservedName,
    #[error("name must have at most {MAX_KEY_BYTES} bytes.")]
    LongName,
    #[error("values must not be empty.")]
    NoValues,
    #[error("values: a label must not be empty.")]
    EmptyLabel,
    #[error("values: the label {0:?} is there twice.")]
    RepeatedLabel(String),
    #[error("lower_bound must be less than upper_bound.")]
    Bounds,
}

impl ConfigKind {
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Categorical { .. } => TYPE_NAMES[0],
            Self::Continuous { .. } => TYPE_NAMES[1],
            Self::Freeform { .. } => TYPE_NAMES[2],
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Categorical { values, .. } => check_values(values),
            Self::Continuous { lower_bound, upper_bound, .. }
            | Self::Freeform { lower_bound, upper_bound, .. } => match (lower_bound, upper_bound) {
                (Some(lower), Some(upper)) if lower >= upper => Err(ConfigError::Bounds),
                _ => Ok(()),
            },
        }
    }
}

impl AnnotationConfig {
    pub fn check(&self) -> Result<(), ConfigError> {
        match self.name.as_str() {
            NOTE_NAME => Err(ConfigError::ReservedName),
            name if name.len() > MAX_KEY_BYTES => Err(ConfigError::LongName),
            _ => self.kind.check(),
        }
    }
}

fn check_values(values: &[CategoricalValue]) -> Result<(), ConfigError> {
    if values.is_empty() {
        return Err(ConfigError::NoValues);
    }
    let mut seen = std::collections::HashSet::new();
    for value in values {
        if value.label.is_empty() {
            return Err(ConfigError::EmptyLabel);
        }
        if !seen.insert(value.label.as_str()) {
            return Err(ConfigError::RepeatedLabel(value.label.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn categorical(labels: &[&str]) -> AnnotationConfig {
        let value = |label: &&str| CategoricalValue { label: (*label).to_owned(), score: None };
        let kind = ConfigKind::Categorical {
            optimization_direction: OptimizationDirection::None,
            values: labels.iter().map(value).collect(),
        };
        AnnotationConfig { name: "n".to_owned(), description: None, kind }
    }

    fn bounded(lower_bound: Option<f64>, upper_bound: Option<f64>) -> AnnotationConfig {
        let kind = ConfigKind::Continuous {
            optimization_direction: OptimizationDirection::Maximize,
            lower_bound,
            upper_bound,
        };
        AnnotationConfig { name: "n".to_owned(), description: None, kind }
    }

    #[test]
    fn labels_are_there_and_differ() {
        assert_eq!(categorical(&["a", "b"]).check(), Ok(()));
        assert_eq!(categorical(&[]).check(), Err(ConfigError::NoValues));
        assert_eq!(categorical(&["a", ""]).check(), Err(ConfigError::EmptyLabel));
        assert_eq!(categorical(&["a", "a"]).check(), Err(ConfigError::RepeatedLabel("a".to_owned())));
    }

    #[test]
    fn bounds_leave_room_between_them() {
        assert_eq!(bounded(Some(0.0), Some(1.0)).check(), Ok(()));
        assert_eq!(bounded(Some(1.0), None).check(), Ok(()));
        assert_eq!(bounded(Some(1.0), Some(1.0)).check(), Err(ConfigError::Bounds));
    }

    #[test]
    fn the_name_of_notes_is_taken() {
        let note = AnnotationConfig { name: NOTE_NAME.to_owned(), ..categorical(&["a"]) };
        assert_eq!(note.check(), Err(ConfigError::ReservedName));
    }
}
