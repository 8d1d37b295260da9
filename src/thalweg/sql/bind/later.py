"""List the functions that Flink has and Thalweg does not have yet, so that they are not called misspelt.

All in lower case. A name that is registered meanwhile is found before these lists are asked.

Not here: clocks and group windows, for which there is another way (calls.py).
"""

from __future__ import annotations

AGGREGATES_LATER = frozenset(("group_id", "json_arrayagg", "json_objectagg", "nth_value", "percentile"))
FUNCTIONS_LATER = frozenset(
    (
        *("array_append", "array_except", "array_intersect", "array_prepend", "array_remove", "array_slice"),
        *("array_sort", "array_union", "bin", "btrim", "cot", "current_database", "decode", "e", "elt"),
        *("encode", "hex", "inet_aton", "inet_ntoa", "is_alpha", "is_decimal", "is_digit", "json"),
        *("json_length", "json_quote", "json_string", "json_unquote"),
        *("map_from_arrays", "map_union", "parse_json", "parse_url", "printf"),
        *("rand", "rand_integer", "regexp_extract_all", "regexp_instr", "regexp_substr", "sha2", "sha224"),
        *("sha384", "sha512", "source_watermark", "str_to_map", "translate", "try_parse_json", "typeof"),
        *("unhex", "url_decode", "url_encode", "uuid"),
    )
)
