"""The time zones of EventCombo: its numeric ids, their Windows names and the IANA zones.

An event holds such an id as text. The 98 ids are the seed data of the platform of 2016; the
IANA side is the Windows table of CLDR. Two Windows zones (46 and 50) are retired since.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

WINDOWS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        1: ("Afghanistan Standard Time", "Asia/Kabul"),
        2: ("Alaskan Standard Time", "America/Anchorage"),
        3: ("Arab Standard Time", "Asia/Riyadh"),
        4: ("Arabian Standard Time", "Asia/Dubai"),
        5: ("Arabic Standard Time", "Asia/Baghdad"),
        6: ("Argentina Standard Time", "America/Buenos_Aires"),
        7: ("Atlantic Standard Time", "America/Halifax"),
        8: ("AUS Central Standard Time", "Australia/Darwin"),
        9: ("AUS Eastern Standard Time", "Australia/Sydney"),
        10: ("Azerbaijan Standard Time", "Asia/Baku"),
        11: ("Azores Standard Time", "Atlantic/Azores"),
        12: ("Bangladesh Standard Time", "Asia/Dhaka"),
        13: ("Canada Central Standard Time", "America/Regina"),
        14: ("Cape Verde Standard Time", "Atlantic/Cape_Verde"),
        15: ("Caucasus Standard Time", "Asia/Yerevan"),
        16: ("Cen. Australia Standard Time", "Australia/Adelaide"),
        17: ("Central America Standard Time", "America/Guatemala"),
        18: ("Central Asia Standard Time", "Asia/Bishkek"),
        19: ("Central Brazilian Standard Time", "America/Cuiaba"),
        20: ("Central Europe Standard Time", "Europe/Budapest"),
        21: ("Central European Standard Time", "Europe/Warsaw"),
        22: ("Central Pacific Standard Time", "Pacific/Guadalcanal"),
        23: ("Central Standard Time", "America/Chicago"),
        24: ("Central Standard Time (Mexico)", "America/Mexico_City"),
        25: ("China Standard Time", "Asia/Shanghai"),
        26: ("Dateline Standard Time", "Etc/GMT+12"),
        27: ("E. Africa Standard Time", "Africa/Nairobi"),
        28: ("E. Australia Standard Time", "Australia/Brisbane"),
        29: ("E. Europe Standard Time", "Europe/Chisinau"),
        30: ("E. South America Standard Time", "America/Sao_Paulo"),
        31: ("Eastern Standard Time", "America/New_York"),
        32: ("Egypt Standard Time", "Africa/Cairo"),
        33: ("Ekaterinburg Standard Time", "Asia/Yekaterinburg"),
        34: ("Fiji Standard Time", "Pacific/Fiji"),
        35: ("FLE Standard Time", "Europe/Kiev"),
        36: ("Georgian Standard Time", "Asia/Tbilisi"),
        37: ("GMT Standard Time", "Europe/London"),
        38: ("Greenland Standard Time", "America/Godthab"),
        39: ("Greenwich Standard Time", "Atlantic/Reykjavik"),
        40: ("GTB Standard Time", "Europe/Bucharest"),
        41: ("Hawaiian Standard Time", "Pacific/Honolulu"),
        42: ("India Standard Time", "Asia/Calcutta"),
        43: ("Iran Standard Time", "Asia/Tehran"),
        44: ("Israel Standard Time", "Asia/Jerusalem"),
        45: ("Jordan Standard Time", "Asia/Amman"),
        46: ("Kamchatka Standard Time", "Asia/Kamchatka"),
        47: ("Korea Standard Time", "Asia/Seoul"),
        48: ("Magadan Standard Time", "Asia/Magadan"),
        49: ("Mauritius Standard Time", "Indian/Mauritius"),
        50: ("Mid-Atlantic Standard Time", "Etc/GMT+2"),
        51: ("Middle East Standard Time", "Asia/Beirut"),
        52: ("Montevideo Standard Time", "America/Montevideo"),
        53: ("Morocco Standard Time", "Africa/Casablanca"),
        54: ("Mountain Standard Time", "America/Denver"),
        55: ("Mountain Standard Time (Mexico)", "America/Mazatlan"),
        56: ("Myanmar Standard Time", "Asia/Rangoon"),
        57: ("N. Central Asia Standard Time", "Asia/Novosibirsk"),
        58: ("Namibia Standard Time", "Africa/Windhoek"),
        59: ("Nepal Standard Time", "Asia/Katmandu"),
        60: ("New Zealand Standard Time", "Pacific/Auckland"),
        61: ("Newfoundland Standard Time", "America/St_Johns"),
        62: ("North Asia East Standard Time", "Asia/Irkutsk"),
        63: ("North Asia Standard Time", "Asia/Krasnoyarsk"),
        64: ("Pacific SA Standard Time", "America/Santiago"),
        65: ("Pacific Standard Time", "America/Los_Angeles"),
        66: ("Pacific Standard Time (Mexico)", "America/Tijuana"),
        67: ("Pakistan Standard Time", "Asia/Karachi"),
        68: ("Paraguay Standard Time", "America/Asuncion"),
        69: ("Romance Standard Time", "Europe/Paris"),
        70: ("Russian Standard Time", "Europe/Moscow"),
        71: ("SA Eastern Standard Time", "America/Cayenne"),
        72: ("SA Pacific Standard Time", "America/Bogota"),
        73: ("SA Western Standard Time", "America/La_Paz"),
        74: ("Samoa Standard Time", "Pacific/Apia"),
        75: ("SE Asia Standard Time", "Asia/Bangkok"),
        76: ("Singapore Standard Time", "Asia/Singapore"),
        77: ("South Africa Standard Time", "Africa/Johannesburg"),
        78: ("Sri Lanka Standard Time", "Asia/Colombo"),
        79: ("Syria Standard Time", "Asia/Damascus"),
        80: ("Taipei Standard Time", "Asia/Taipei"),
        81: ("Tasmania Standard Time", "Australia/Hobart"),
        82: ("Tokyo Standard Time", "Asia/Tokyo"),
        83: ("Tonga Standard Time", "Pacific/Tongatapu"),
        84: ("Ulaanbaatar Standard Time", "Asia/Ulaanbaatar"),
        85: ("US Eastern Standard Time", "America/Indianapolis"),
        86: ("US Mountain Standard Time", "America/Phoenix"),
        87: ("UTC", "Etc/UTC"),
        88: ("UTC+12", "Etc/GMT-12"),
        89: ("UTC-02", "Etc/GMT+2"),
        90: ("UTC-11", "Etc/GMT+11"),
        91: ("Venezuela Standard Time", "America/Caracas"),
        92: ("Vladivostok Standard Time", "Asia/Vladivostok"),
        93: ("W. Australia Standard Time", "Australia/Perth"),
        94: ("W. Central Africa Standard Time", "Africa/Lagos"),
        95: ("W. Europe Standard Time", "Europe/Berlin"),
        96: ("West Asia Standard Time", "Asia/Tashkent"),
        97: ("West Pacific Standard Time", "Pacific/Port_Moresby"),
        98: ("Yakutsk Standard Time", "Asia/Yakutsk"),
    }
)
"""EventCombo id -> (Windows zone, IANA zone)."""


def iana(identifier: int) -> str | None:
    """The IANA zone behind an id, if the platform knows such an id."""
    zone = WINDOWS.get(identifier)
    return zone[1] if zone else None


def iana_of_windows(name: str) -> str | None:
    """The IANA zone behind a Windows name, should the service send one in place of an id."""
    folded = name.strip().casefold()
    for windows, zone in WINDOWS.values():
        if windows.casefold() == folded:
            return zone
    return None
