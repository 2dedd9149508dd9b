"""Answers that are data frames, in comparable form: what clients rely on, which is not the order of columns."""

import io
import json

import pyarrow


def tables(reply) -> list[dict] | None:
    """The frames of a reply; None if it is none."""
    media_type = reply.headers.get("content-type", "")
    if media_type.startswith("multipart/mixed"):
        boundary = media_type.partition("boundary=")[2]
        parts = reply.text.split(f"--{boundary}")[1:-1]
        return [of_json(json.loads(part.partition("\r\n\r\n")[2])) for part in parts]
    if media_type.startswith("application/x-pandas-arrow"):
        return list(of_arrow(reply.content))
    return None


def of_json(table: dict) -> dict:
    names = {field["name"]: field["name"].partition("_")[2] for field in table["schema"]["fields"]}
    key = table["schema"]["primaryKey"]
    # An index may stand among the columns once more.
    shown = {name: f"index {short}" if name in key else short for name, short in names.items()}
    fields = {
        shown[field["name"]]: [field["type"], field.get("extDtype"), field.get("tz")]
        for field in table["schema"]["fields"]
    }
    rows = [{shown[name]: value for name, value in row.items()} for row in table["data"]]
    return {"fields": fields, "index": [names[name] for name in key], "rows": in_order(rows)}


def of_arrow(content: bytes):
    source = io.BytesIO(content)
    while source.tell() < len(content):
        with pyarrow.ipc.open_stream(source) as stream:
            table = stream.read_all()
        frame = table.to_pandas()
        types = {field.name: str(in_order_of_names(field.type)) for field in table.schema}
        rows = [{name: as_text(value) for name, value in row.items()} for row in table.to_pylist()]
        yield {"types": types, "index": list(frame.index.names), "rows": in_order(rows)}


def in_order_of_names(of: pyarrow.DataType) -> pyarrow.DataType:
    """The type with the members of its objects sorted: the reference has them in another order at every start."""
    if pyarrow.types.is_list(of):
        return pyarrow.list_(in_order_of_names(of.value_type))
    if pyarrow.types.is_struct(of):
        members = sorted(of, key=lambda member: member.name)
        return pyarrow.struct([(member.name, in_order_of_names(member.type)) for member in members])
    return of


def as_text(value) -> str:
    """Likewise for values; what JSON cannot say is written as Python does."""
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, (dict, list)) else str(value)


def in_order(rows: list[dict]) -> list[dict]:
    """Without an order of their own when columns are selected: the reference promises none."""
    if rows and any(name.startswith("attributes.") for name in rows[0]):
        return rows
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))
