"""Price books: prices written as a set, compared with what holds, decided on by a second person, and published as a whole.

`writing` changes a draft, `deciding` moves it on, `csv_file` reads entries from a file, `comparing` says what would change for
whom, `reading` shows books and the versions that were published.
"""
