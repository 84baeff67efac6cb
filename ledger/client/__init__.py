"""The producer of decisions: records without waiting, loses none, and keeps the receipts."""
