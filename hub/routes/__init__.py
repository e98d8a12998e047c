"""Which van drives where: routes of a day, planned, adjusted by hand, and given to the devices that drive them."""
