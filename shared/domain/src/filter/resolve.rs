//! What the names in a condition stand for.

use super::check::{Checked, Checker};
use super::error::ConditionError;
use super::names::{AnnotationTarget, Collection, Field, Flavour, NUMERIC_ATTRIBUTES, Record, Type};
use super::syntax::{Node, NodeKind, Part};
use super::typed::{AnnotationName, AnnotationPart, Cast, Expr, Place, Step};

/// A condition may look up this many annotations by name: each is combined with each.
const MOST_ANNOTATION_NAMES: usize = 8;

impl Checker<'_> {
    /// What `a.b['c']` stands for.
    pub(super) fn path(&mut self, node: &Node, parts: &[Part]) -> Result<Checked, ConditionError> {
        let Some((Part::Name(first), rest)) = parts.split_first() else {
            return Err(self.error(node, "invalid expression"));
        };
        if let Some(variable) = self.variable(first) {
            return self.element_field(node, variable, rest);
        }
        if !self.scope.is_empty() {
            let message = format!("`{}` is not a field of the loop variable", self.text_of(node));
            return Err(self.error(node, message));
        }
        if self.record().collection(first).is_some() && !matches!(rest, [Part::Key(_), ..]) {
            let message = format!("`{first}` is a collection and can only be iterated");
            return Err(self.error(node, message));
        }
        if let ([Part::Key(name), rest @ ..], Some(target)) = (rest, self.flavour.annotations(first)) {
            let target = target.map_err(|instead| {
                self.error(node, format!("`{first}[...]` is not available here; {instead}"))
            })?;
            return self.annotation(node, target, name, rest);
        }
        if let ("attributes" | "metadata", [Part::Key(_), ..]) = (first.as_str(), rest) {
            return self.keyed_attribute(node, first, rest);
        }
        self.dotted_name(node, parts)
    }

    fn dotted_name(&self, node: &Node, parts: &[Part]) -> Result<Checked, ConditionError> {
        let names: Option<Vec<&str>> = parts.iter().map(Part::as_name).collect();
        let names =
            names.ok_or_else(|| self.error(node, format!("invalid expression: {}", self.text_of(node))))?;
        let name = names.join(".");
        if let Some(field) = self.record().field(&name) {
            return Ok(Checked { expr: Expr::Field(Place::Subject, field), of: field.type_of() });
        }
        if self.flavour != Flavour::Span {
            return Err(self.error(node, format!("invalid name `{name}`")));
        }
        if names[0] == "parent_span" {
            return Err(self.error(node, "`parent_span` can only be compared to None"));
        }
        let attribute = Self::attribute(&names);
        Ok(match NUMERIC_ATTRIBUTES.contains(&name.as_str()) {
            true => Checked { expr: Expr::Cast(Cast::Number, Box::new(attribute)), of: Type::Number },
            false => Checked { expr: attribute, of: Type::Json },
        })
    }

    pub(super) fn attribute(names: &[&str]) -> Expr {
        Expr::Attribute(names.iter().map(|name| Step::Key((*name).to_owned())).collect())
    }

    /// `attributes['a'][0]` or `metadata['a']`. Strict flavours read dots in keys as paths too.
    fn keyed_attribute(&self, node: &Node, first: &str, keys: &[Part]) -> Result<Checked, ConditionError> {
        let dotted = self.flavour != Flavour::Span;
        let root = (first == "metadata").then(|| Step::Key(first.to_owned()));
        let step = |part: &Part| match part {
            Part::Key(key) if dotted && key.contains('.') => Ok(Step::DottedKey(key.clone())),
            Part::Key(key) => Ok(Step::Key(key.clone())),
            Part::Position(position) => Ok(Step::Position(*position)),
            Part::Name(_) => Err(self.error(node, format!("invalid expression: {}", self.text_of(node)))),
        };
        let steps = keys.iter().map(step).collect::<Result<Vec<_>, _>>()?;
        let path = root.into_iter().chain(steps).collect();
        Ok(Checked { expr: Expr::Attribute(path), of: Type::Json })
    }

    fn annotation(
        &mut self,
        node: &Node,
        target: AnnotationTarget,
        name: &str,
        rest: &[Part],
    ) -> Result<Checked, ConditionError> {
        if name.is_empty() {
            return Err(self.error(node, "the annotation has no name"));
        }
        let field = match rest {
            [] => None,
            [Part::Name(part)] => match part.as_str() {
                "score" => Some(Field::Score),
                "label" => Some(Field::Label),
                "explanation" => Some(Field::Explanation),
                "identifier" => Some(Field::Identifier),
                _ => return Err(self.no_such_part(node)),
            },
            _ => return Err(self.no_such_part(node)),
        };
        let wanted = AnnotationName { target, name: name.to_owned() };
        let known = self.annotations.iter().position(|known| *known == wanted);
        let position = known.unwrap_or(self.annotations.len());
        if known.is_none() {
            if position == MOST_ANNOTATION_NAMES {
                let message = format!("a condition may name {MOST_ANNOTATION_NAMES} annotations");
                return Err(self.error(node, message));
            }
            self.annotations.push(wanted);
        }
        let part = field.map_or(AnnotationPart::Exists, AnnotationPart::Field);
        let of = field.map_or(Type::Boolean, Field::type_of);
        Ok(Checked { expr: Expr::Annotation(position, part), of })
    }

    fn no_such_part(&self, node: &Node) -> ConditionError {
        self.error(node, "an annotation has `.score`, `.label`, `.explanation` and `.identifier`")
    }

    fn variable(&self, name: &str) -> Option<usize> {
        self.scope.iter().position(|(known, _)| known == name)
    }

    /// `s.latency_ms` and `s.parent_span.name` of a loop variable.
    fn element_field(&self, node: &Node, variable: usize, rest: &[Part]) -> Result<Checked, ConditionError> {
        let (name, record) = &self.scope[variable];
        let checked = |place, field: Field| Checked { expr: Expr::Field(place, field), of: field.type_of() };
        let place = Place::Variable(variable);
        match rest {
            [] => Err(self.error(node, format!("`{name}` is a whole element; compare one of its fields"))),
            [Part::Name(part)] => {
                let field = record.field(part).ok_or_else(|| self.no_such_field(node, *record))?;
                Ok(checked(place, field))
            }
            [Part::Name(parent), Part::Name(part)] if record.field(parent) == Some(Field::ParentSpan) => {
                let field = record.field(part).filter(|field| *field != Field::ParentSpan);
                let field = field.ok_or_else(|| self.no_such_field(node, *record))?;
                Ok(checked(Place::ParentOf(variable), field))
            }
            _ => Err(self.no_such_field(node, *record)),
        }
    }

    fn no_such_field(&self, node: &Node, record: Record) -> ConditionError {
        let mut known: Vec<&str> = record.fields().map(|(name, _)| name).collect();
        known.sort_unstable();
        let message = format!("invalid field `{}`, expected one of {}", self.text_of(node), known.join(", "));
        self.error(node, message)
    }

    /// What a comprehension iterates.
    pub(super) fn iterable(&self, node: &Node) -> Result<(Place, Collection, Record), ConditionError> {
        let (place, record, name) = match &node.kind {
            NodeKind::Path(parts) => match &parts[..] {
                [Part::Name(name)] => (Place::Subject, self.record(), name),
                [Part::Name(variable), Part::Name(name)] => {
                    let variable = self.variable(variable).ok_or_else(|| self.not_iterable(node, None))?;
                    (Place::Variable(variable), self.scope[variable].1, name)
                }
                _ => return Err(self.not_iterable(node, None)),
            },
            _ => return Err(self.not_iterable(node, None)),
        };
        let (collection, element) =
            record.collection(name).ok_or_else(|| self.not_iterable(node, Some(record)))?;
        Ok((place, collection, element))
    }

    fn not_iterable(&self, node: &Node, record: Option<Record>) -> ConditionError {
        let mut known: Vec<&str> =
            record.into_iter().flat_map(Record::collections).map(|(name, _)| *name).collect();
        known.sort_unstable();
        let expected =
            if known.is_empty() { String::new() } else { format!(", expected one of {}", known.join(", ")) };
        self.error(node, format!("invalid iterable `{}`{expected}", self.text_of(node)))
    }
}
