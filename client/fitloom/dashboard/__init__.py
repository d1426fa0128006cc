"""The live page of one or several campaigns: it reads journals, never an executor."""
