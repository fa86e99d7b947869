"""One scene set, written as the tools of the field write it. No writer uses code of a reader."""
