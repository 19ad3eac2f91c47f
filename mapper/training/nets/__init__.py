"""Networks to train: layers on crossbars and neurons as torch modules."""
