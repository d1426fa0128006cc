"""Where fits run: the HTTP endpoint of a site, its workers, and the doctor that says what is wrong on a node."""
