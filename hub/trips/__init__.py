"""Where parcels stayed and how cold it was there: their ways across vans and docks, and the trips of vehicles."""
