"""Small bodies that inflate to a lot, and messages that nest too deep: built by hand, as bytes."""

import zlib

import zstandard

GIB = 1 << 30
CHUNK = bytes(16 << 20)


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(field: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def unknown_field_header(size: int) -> bytes:
    """The start of a valid request: one field 15, which nobody knows, with `size` bytes to follow."""
    return varint(15 << 3 | 2) + varint(size)


def deflate_bomb(size: int, window: int) -> bytes:
    """`window` 31 makes gzip, 15 zlib. Full flushes make every chunk compress to the same bytes, so one is enough."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    start = packer.compress(unknown_field_header(size)) + packer.flush(zlib.Z_FULL_FLUSH)
    chunk = packer.compress(CHUNK) + packer.flush(zlib.Z_FULL_FLUSH)
    # The checksum at the end is wrong: who gets there has inflated all of it.
    return start + chunk * (size // len(CHUNK)) + packer.flush()


def zstd_bomb(size: int) -> bytes:
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    parts = [packer.compress(unknown_field_header(size))]
    parts += [packer.compress(CHUNK) for _ in range(size // len(CHUNK))]
    return b"".join([*parts, packer.flush()])


def nested_value(depth: int) -> bytes:
    """A protobuf AnyValue that is a list of a list of a list, built from the inside."""
    value = b""
    for _ in range(depth):
        value = delimited(5, delimited(1, value))
    return value


def with_attribute(span: bytes, key: str, value: bytes) -> bytes:
    """Appends an attribute, given as an encoded AnyValue, to an encoded span."""
    return span + delimited(9, delimited(1, key.encode()) + delimited(2, value))


def request_of(resource_attributes: bytes, *spans: bytes) -> bytes:
    """An ExportTraceServiceRequest of encoded spans."""
    scope_spans = b"".join(delimited(2, span) for span in spans)
    return delimited(1, delimited(1, resource_attributes) + delimited(2, scope_spans))
