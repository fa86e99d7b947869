"""Write the answers of records into the files of annotation tools."""
