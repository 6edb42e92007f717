-- The entry numbers that have anything to settle before the cutoff. The highest is the high-water mark: what is posted
-- while the extraction runs has higher numbers.
SELECT
    CAST(MIN(d.[Cust_ Ledger Entry No_]) AS int) AS lowest,
    CAST(MAX(d.[Cust_ Ledger Entry No_]) AS int) AS highest
FROM [AIG_Nav_DW].[dbo].[Detailed Customer Ledg_ Entry] AS d
WHERE d.[Posting Date] < @cutoff
