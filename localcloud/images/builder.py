class Builder:
    def __init__(self, s):
        pass

    def report_lost(self, b):
        pass

    def reconcile(self, b):
        pass

    def stop(self):
        pass
