"""Words for people, places and tickets: invented people, in letters that real ones have."""

from __future__ import annotations

FIRST = {
    "auckland": (
        "Aroha", "Hēmi", "Kāhu", "Mia", "Oliver", "Ngaire", "Tāne", "Isla", "Noah", "Sione",
        "Mereana", "Jack", "Charlotte", "Wiremu", "Amelia", "Leo", "Anahera", "George",
    ),
    "frankfurt": (
        "Jürgen", "Änne", "Lukas", "Sophie", "Mehmet", "Zoë", "Björn", "Clara", "Jonas", "Łucja",
        "Søren", "Emilia", "Paul", "Aylin", "Günther", "Friederike", "Max", "Ingeborg",
    ),
}  # fmt: skip
LAST = {
    "auckland": (
        "Ngata", "O'Brien", "Tūhoe", "Smith", "Parata", "van der Berg", "Wilson", "Faleolo",
        "Henare", "Brown-Taylor", "Singh", "Te Kanawa", "Walker", "Chen", "Leota", "Marsh",
    ),
    "frankfurt": (
        "Groß", "Müller", "von der Heide", "Şahin", "Schäfer", "Özdemir", "Becker", "Nowak",
        "Weiß", "Krüger", "D'Angelo", "Lehmann", "Jäger", "Hoffmann-Lück", "Vogel", "Sørensen",
    ),
}  # fmt: skip
PLACES = {
    "auckland": (
        ("Queen Street", "1010", "Auckland", "NZ"),
        ("Karangahape Road", "1010", "Auckland", "NZ"),
        ("Ponsonby Road", "1011", "Auckland", "NZ"),
        ("Lambton Quay", "6011", "Wellington", "NZ"),
    ),
    "frankfurt": (
        ("Zeil", "60313", "Frankfurt am Main", "DE"),
        ("Berger Straße", "60316", "Frankfurt am Main", "DE"),
        ("Große Bockenheimer Str.", "60313", "Frankfurt am Main", "DE"),
        ("Königsallee", "04109", "Leipzig", "DE"),
    ),
}
VENUES = {
    "auckland": ("Harbour Stage", "Western Springs Lawn", "Tāmaki Hall", "Museum of the Gulf"),
    "frankfurt": ("Mainufer Bühne", "Alte Gießerei", "Halle 9", "Haus der Völker"),
}
EVENTS = {
    "auckland": ("Matariki Lights", "Gulf Run 10k", "Pōhutukawa Sessions", "Summer Pass"),
    "frankfurt": ("Museumsnacht", "Mainlauf", "Jazz im Hof", "Sommerpass"),
}
TICKETS = (("Adult", 4500), ("Concession", 3250), ("Child", 1290), ("VIP", 18000), ("Free", 0))
"""Name and price in cents of the ticket types that main events have."""
PRODUCTS = (("T-Shirt", 2995), ("Programme", 750), ("Parking", 1200))
SLOTS = ("09:30", "11:00", "14:15", "16:00", "02:30")
