"""What shippers ordered: parcels to be delivered or picked up, for whom, where and when."""
