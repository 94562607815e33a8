"""What is in a wheelhouse, as those ask who must let it in: licences, advisories, differences."""
