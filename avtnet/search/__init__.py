"""The stages of ``avtnet locate``: from named files to timelines and what is written of them."""
