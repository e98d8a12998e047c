"""What the courier app knows and decides, without a window: nothing here imports kivy."""
