"""The intermediate representation: one immutable graph from trained network to crossbars."""
